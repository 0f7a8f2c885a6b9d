"""Functional Keras networks from plain inputs to logits."""

from tfmodels.bert.config import EncoderConfig as EncoderConfig
from tfmodels.bert_classifier import (
    BertClassifierConfig as BertClassifierConfig,
)
from tfmodels.bert_tagger import BertTaggerConfig as BertTaggerConfig
from tfmodels.building import make_network as make_network
from tfmodels.building import set_dtype_policy as set_dtype_policy
from tfmodels.mnist_mlp import MnistMlpConfig as MnistMlpConfig

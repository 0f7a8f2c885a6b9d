"""BERT and DistilBERT: encoders, layers, presets, WordPieces."""

"""Objectives: from targets and logits to losses, metrics and answers."""

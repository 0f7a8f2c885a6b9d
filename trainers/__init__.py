"""Training of Keras models, from labelled data to a proved SavedModel."""

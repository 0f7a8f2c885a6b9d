"""A package of a user: kinds that tfmodels-trainers does not have."""

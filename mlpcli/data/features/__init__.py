"""Columns to numbers: kinds, profiles, encoders, dates, and the preprocessor that holds them."""

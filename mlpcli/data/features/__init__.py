"""Columns to numbers: kinds, profiles, encoders, dates, and the preprocessor that holds them.

A column is profiled (`profiles`), its kind is decided (`feature_kinds`, `text_columns`), and an
encoder is fitted on the training rows (`encoders`, `text_encoder`, `dates`). `preprocessor` holds
the encoders of all columns; `unknown_values` is what new rows may hold that training rows did not, and
`date_hints` what to do about cells that are no dates.
"""

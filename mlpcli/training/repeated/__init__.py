"""Runs whose spec is trained several times: over folds, with several seeds, or both.

`train_members` trains them one after the other, `resume_members` goes on; `member_builder` gives each its
data and its model, `parent` is the run that they make up, and `finish` its end: `out_of_fold` predictions
(`mean_scale` of their targets), the mean of what they reached (`member_results`), the mean of the models, or
one that is trained again (`retrain`).
"""

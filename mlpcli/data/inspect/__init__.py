"""A table surveyed for `inspect`, and the spec that `init` proposes for it.

`survey` looks at a table, `regular_times` at series, `survey_images` at image files; `propose_spec` and
`propose_images` write a spec for what was found, with the other modules called so; `check_proposal` reads the
data by it.
"""

"""What is wrong with a training: findings from its records and its network, and patches of its spec.

`from_records` and `examine` make a `case` of a run, `find_all` asks each kind: `curve_findings`,
`score_findings`, `network_findings`, `data_findings`. `bounds` says from when on something is a finding,
`harm` whether a network is any good, `numbers` writes them. `treatments` are the patches, `patched_spec`
the spec with them.
"""

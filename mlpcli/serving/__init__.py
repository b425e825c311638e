"""A run's model behind HTTP: the contract of `predict`, request by request.

`server` starts and stops it; `app` has the routes and limits, `forms` the two forms of a request and its
answer, `describe` the schemas; `batches` lets requests that come together go through the `served_model`
together; `connections` ends those whose head does not come.
"""

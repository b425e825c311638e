"""One page about a run: a self-contained HTML file, and a model card in Markdown."""

"""`python -m mlpcli`."""

from mlpcli.cli import run

if __name__ == "__main__":
    run()

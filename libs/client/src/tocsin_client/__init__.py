"""The Python SDK of Tocsin and the `tocsin` command line."""

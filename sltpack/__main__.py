"""`python -m sltpack`: the same as the command `sltpack`."""

from sltpack_cli.main import cli

if __name__ == "__main__":
    cli()

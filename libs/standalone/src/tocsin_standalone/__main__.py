"""`python -m tocsin_standalone up --home DIR --port P [--demo]`: what `tocsin up` does, without the rest of the command line."""

import argparse
import sys
from pathlib import Path

from tocsin_standalone.up import up


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tocsin_standalone", description="The whole of Tocsin on this machine.")
    command = parser.add_subparsers(dest="command", required=True).add_parser("up", help="run until a signal")
    command.add_argument("--home", type=Path, default=Path(".tocsin"), help="the folder that keeps the data")
    command.add_argument("--port", type=int, default=8080, help="the port of the console; gRPC is on the next one; 0: free ones")
    command.add_argument("--demo", action="store_true", help="load an example organisation and play three incidents")
    chosen = parser.parse_args(arguments)
    return up(chosen.home, chosen.port, chosen.demo)


if __name__ == "__main__":
    sys.exit(main())

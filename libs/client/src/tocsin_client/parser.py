"""The command line's parser, built from the list of commands. A command's module is loaded when the command is called."""

from cyclopts import App, Parameter

from tocsin_client.cli import COMMANDS, GROUPS, MODULE, version


def build_app() -> App:
    quiet = Parameter(negative=(), show_default=shown_default)
    root = App(name="tocsin", version=version, help="Open incident response.", help_format="plaintext", default_parameter=quiet)
    apps = {"": root}
    for group, summary in GROUPS.items():
        above, _, name = group.rpartition(" ")
        apps[group] = App(name=name, help=summary, version_flags=[])
        apps[above].command(apps[group])
    for command in COMMANDS:
        above, _, name = command.words.rpartition(" ")
        apps[above].command(f"{MODULE}.{command.target}", name=name)
    return root


def shown_default(value: object) -> object:
    """What a help text says of a default: nothing, where the default is nothing."""
    return value or None

"""Configuration in files: read them, say what applying them would change, apply them, and write what is stored as files."""

from tocsin_client.configuration.applying import Change as Change
from tocsin_client.configuration.applying import FieldChange as FieldChange
from tocsin_client.configuration.applying import apply as apply
from tocsin_client.configuration.applying import plan as plan
from tocsin_client.configuration.applying import present as present
from tocsin_client.configuration.reading import load as load
from tocsin_client.configuration.resources import ConfigurationError as ConfigurationError
from tocsin_client.configuration.resources import Configurations as Configurations
from tocsin_client.configuration.writing import document_of as document_of
from tocsin_client.configuration.writing import dump as dump
from tocsin_client.configuration.writing import export as export
from tocsin_client.configuration.writing import file_names as file_names

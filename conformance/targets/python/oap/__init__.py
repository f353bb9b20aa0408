"""A runtime of the Open-Action Protocol 2.0: profiles core, session, human and workflow."""

VERSION = "0.1.0"
PROTOCOL_VERSION = "2.0"
PROFILES = ["core", "session", "human", "workflow"]

"""Where configuration and records are kept, behind narrow protocols."""

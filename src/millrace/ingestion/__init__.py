"""Ingestion: reads raw files and writes labelled rows to their splits."""

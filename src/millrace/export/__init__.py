"""The champion as a SavedModel and its conversions, and the certificate that they agree."""

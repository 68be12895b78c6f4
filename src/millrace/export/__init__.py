"""The champion as a predictor, a SavedModel and its conversions, and the proof that they agree."""

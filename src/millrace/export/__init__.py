"""Exports the champion as SavedModel, TF Lite and TF.js, and certifies that they agree."""

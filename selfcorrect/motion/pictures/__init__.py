"""Pictures, films and pages of motions."""

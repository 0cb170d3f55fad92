"""Readers and writers of rigged characters: BVH, Acclaim, FBX, glTF and USD."""

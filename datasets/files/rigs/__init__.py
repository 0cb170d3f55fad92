"""Files of rigs: BVH, FBX, glTF, USD."""

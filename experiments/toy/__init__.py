"""Published self-consuming loops at toy scale.

Each is a preset of the common loop engine.
"""

"""Images and texts that you bring, in the layouts that they are published in."""

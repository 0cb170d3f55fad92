"""Published self-consuming loops at toy scale, each a preset of the common loop engine."""

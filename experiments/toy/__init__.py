"""Published self-consuming loops at toy scale, each a preset of the one loop engine."""

"""Built-in and user correctors of the motion experiment."""

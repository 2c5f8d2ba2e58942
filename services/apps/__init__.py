"""The programs that serve users and maintain the stack: one for each component."""

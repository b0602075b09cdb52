"""The shell of the pages."""  # noqa: A005

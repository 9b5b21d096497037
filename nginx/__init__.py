"""What installs, configures and starts nginx: a push node and a front, each with a folder of its own.

Needs the standard library only, so that it runs before anything else is installed.
"""

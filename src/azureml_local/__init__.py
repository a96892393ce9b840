"""An Azure Machine Learning control plane that runs in one process on this machine.

The real azure-ai-ml client talks to it over HTTPS on the loopback interface. It imports
nothing from the rest of this repository, and nothing but the command line and the tests
imports it.
"""

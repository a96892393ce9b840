"""What incidents ask for, and how it is done: retraining, annotation, an issue for an owner."""

from mlops.actions.performing import perform
from mlops.actions.requests import ActionRequest, requests
from mlops.actions.router import Subject, request_actions

__all__ = ["ActionRequest", "Subject", "perform", "request_actions", "requests"]

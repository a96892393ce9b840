"""The policy pack: what a production environment must hold, judged before a resource is deployed."""

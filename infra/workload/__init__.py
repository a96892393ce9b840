"""The stacks `dev`, `staging` and `prod`: one environment each."""

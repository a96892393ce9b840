"""What the workflows below ``.github/`` do, as tested code: the YAML only says when and as whom."""

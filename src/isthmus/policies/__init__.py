"""What every call passes, one stage a file. Their order stands in `data_plane/pipeline.py`."""

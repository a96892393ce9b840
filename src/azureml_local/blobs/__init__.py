"""Blob storage: one account in a folder, spoken to by the real azure-storage-blob clients."""

from __future__ import annotations

from azureml_local.blobs.attributes import BlobProperties
from azureml_local.blobs.listing import BlobPage, list_page
from azureml_local.blobs.routes import add_routes
from azureml_local.blobs.store import BlobStore

__all__ = ["BlobPage", "BlobProperties", "BlobStore", "add_routes", "list_page"]

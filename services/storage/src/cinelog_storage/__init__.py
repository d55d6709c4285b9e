"""Publishes outputs, commits manifests, mirrors status into documents."""

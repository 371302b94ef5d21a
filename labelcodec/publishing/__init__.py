"""Publishing of label sets: data cards, and uploads to the Hugging Face Hub."""

from labelcodec.publishing.card import Card, card
from labelcodec.publishing.pushing import PushReport, push, write_folder

__all__ = ["Card", "PushReport", "card", "push", "write_folder"]

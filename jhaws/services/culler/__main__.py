"""Run the culler: `python -m jhaws.services.culler`, which the hub does."""

from jhaws.services.culler import culling
from jhaws.services.running import run_service

if __name__ == "__main__":
    run_service(culling.main)

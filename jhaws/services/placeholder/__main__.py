"""Run the placeholder service: `python -m jhaws.services.placeholder`, which the hub does."""

from jhaws.services.placeholder import keeping
from jhaws.services.running import run_service

if __name__ == "__main__":
    run_service(keeping.main)

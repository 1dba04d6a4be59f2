"""Run the placeholder service: `python -m jhaws.services.placeholder`, which the hub does."""

from jhaws.services.running import run_service


async def start() -> None:
    """Run the service for ever."""
    # Imported here because it takes a second, and a signal within it must end the process as cleanly as later.
    from jhaws.services.placeholder import keeping

    await keeping.main()


if __name__ == "__main__":
    run_service(start)

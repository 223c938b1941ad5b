"""Which broker a deployment trades with, opened. Outside brokers are imported only when used."""

from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.resources.brokers.interface import Broker
from torghut_assets.resources.brokers.replay import ReplayBroker
from torghut_assets.resources.home import Home


def open_broker(home: Home, deployment: PaperDeployment) -> Broker:
    """Return the account that a deployment trades in.

    Raises
    ------
    BadInputError
        If an outside broker's extra is not installed or its keys are not in the environment.
    """
    if deployment.broker == "replay":
        return ReplayBroker(home.replay_broker_path, deployment.candidate_id, deployment.budget_usd)
    from torghut_assets.resources.brokers.alpaca import AlpacaPaperBroker

    return AlpacaPaperBroker.from_environment()

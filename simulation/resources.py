"""CloudFormation resource types that moto skips, without a word, and that the templates rest on.

Some act (a bus policy, a queue policy, a subscription); some are only kept on record, because nothing simulated acts on
them (alarms, schedules). Each must be a direct subclass of CloudFormationModel: moto looks no further.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.events.models import events_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends


class _Resource:
    """What every type here has in common. `properties` are resolved: no Ref, no GetAtt is left in them."""

    TYPE: ClassVar[str]
    NAME: ClassVar[str] = ""  # the property that names it, if any
    ARN: ClassVar[str] = ""  # its ARN, with {region}, {account} and {name} to fill in

    def __init__(self, name: str, properties: dict[str, Any], account: str, region: str) -> None:
        self.name = name
        self.properties = properties
        self.account = account
        self.region = region
        self.arn = self.ARN.format(region=region, account=account, name=name)

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @classmethod
    def cloudformation_name_type(cls) -> str:
        return cls.NAME

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.TYPE

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn" and bool(cls.ARN)

    def get_cfn_attribute(self, attribute_name: str) -> str:
        if not self.has_cfn_attr(attribute_name):
            raise NotImplementedError(f"`{self.TYPE}` has no simulated attribute `{attribute_name}`")
        return self.arn

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        resource = cls(resource_name, cloudformation_json.get("Properties", {}), account_id, region_name)
        resource.act()
        return resource

    def act(self) -> None:
        """What its creation does to the rest of the simulated account."""

    def is_created(self) -> bool:
        return True

    def delete(self, account: str, region: str) -> None:
        """Nothing to undo: a simulated account is thrown away as a whole."""


class EventBusPolicy(_Resource, CloudFormationModel):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-eventbuspolicy.html"""

    TYPE = "AWS::Events::EventBusPolicy"

    def act(self) -> None:
        bus = events_backends[self.account][self.region].event_buses[self.properties.get("EventBusName", "default")]
        bus.add_policy({"Statement": [{"Sid": self.properties["StatementId"], **self.properties["Statement"]}]})


class QueuePolicy(_Resource, CloudFormationModel):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queuepolicy.html"""

    TYPE = "AWS::SQS::QueuePolicy"

    def act(self) -> None:
        policy = json.dumps(self.properties["PolicyDocument"])
        for url in self.properties["Queues"]:
            sqs_backends[self.account][self.region].set_queue_attributes(url.rpartition("/")[2], {"Policy": policy})


class TopicPolicy(_Resource, CloudFormationModel):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topicpolicy.html"""

    TYPE = "AWS::SNS::TopicPolicy"

    def act(self) -> None:
        for arn in self.properties["Topics"]:
            sns_backends[self.account][self.region].topics[arn].policy = json.dumps(self.properties["PolicyDocument"])


class Subscription(_Resource, CloudFormationModel):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-subscription.html"""

    TYPE = "AWS::SNS::Subscription"

    def act(self) -> None:
        wanted = self.properties
        sns_backends[self.account][self.region].subscribe(wanted["TopicArn"], wanted["Endpoint"], wanted["Protocol"])


class Alarm(_Resource, CloudFormationModel):
    """Kept on record: there are no metrics to watch here."""

    TYPE = "AWS::CloudWatch::Alarm"
    NAME = "AlarmName"
    ARN = "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"


class Schedule(_Resource, CloudFormationModel):
    """Kept on record: the scenario starts what is scheduled when it means to."""

    TYPE = "AWS::Scheduler::Schedule"
    NAME = "Name"
    ARN = "arn:aws:scheduler:{region}:{account}:schedule/default/{name}"


class EventInvokeConfig(_Resource, CloudFormationModel):
    """Kept on record: how Lambda retries asynchronous calls, of which the simulation makes none."""

    TYPE = "AWS::Lambda::EventInvokeConfig"


def register() -> None:
    """Let moto look at the types above even if it has made a list before they were defined."""
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()


def known() -> frozenset[str]:
    """Every resource type that a simulated stack can hold."""
    return frozenset(parsing.get_model_map())

"""What the SDK still sends and the latest published shapes no longer have.

Monitors go out with api-version 2023-06-01-preview (types of that version: Azure/bicep-types-az), and models
of a registry carry a member that only the registry's data plane knows.
"""

from __future__ import annotations

from typing import Any, Final

ENUMS: Final = {"MonitoringNotificationMode": ["Disabled", "Enabled"]}
SHAPES: Final[dict[str, dict[str, Any]]] = {
    "MonitoringDataSegment": {"fields": {"feature": "string", "values": "[string]"}},
    "MonitoringWorkspaceConnection": {
        "fields": {"environmentVariables": "{string}", "secrets": "{string}"},
    },
    "MonitoringAlertNotificationSettingsBase": {
        "fields": {"alertNotificationType": "!string"},
        "discriminator": "alertNotificationType",
        "variants": {
            "AzureMonitor": "AzMonMonitoringAlertNotificationSettings",
            "Email": "EmailMonitoringAlertNotificationSettings",
        },
    },
    "AzMonMonitoringAlertNotificationSettings": {"fields": {"alertNotificationType": "!string"}},
    "EmailMonitoringAlertNotificationSettings": {
        "fields": {"alertNotificationType": "!string", "emailNotificationSetting": "NotificationSetting"}
    },
}
MEMBERS: Final = {
    "MonitorDefinition": {"alertNotificationSetting": "MonitoringAlertNotificationSettingsBase"},
    "DataDriftMonitoringSignal": {
        "mode": "MonitoringNotificationMode",
        "dataSegment": "MonitoringDataSegment",
    },
    "DataQualityMonitoringSignal": {"mode": "MonitoringNotificationMode"},
    "PredictionDriftMonitoringSignal": {"mode": "MonitoringNotificationMode", "modelType": "string"},
    "FeatureAttributionDriftMonitoringSignal": {
        "mode": "MonitoringNotificationMode",
        "modelType": "string",
    },
    "CustomMonitoringSignal": {
        "mode": "MonitoringNotificationMode",
        "workspaceConnection": "MonitoringWorkspaceConnection",
    },
    "ModelVersionProperties": {"system_metadata": "any"},
}
# "Trailing" is what "Rolling" was called.
VARIANTS: Final = {"MonitoringInputDataBase": {"Trailing": "RollingInputData"}}


def add_to(content: dict[str, Any]) -> None:
    """Add what is in this module to the content of ``shapes.json``."""
    content["enums"] |= ENUMS
    content["shapes"] |= SHAPES
    for name, members in MEMBERS.items():
        content["shapes"][name]["fields"] |= members
    for name, variants in VARIANTS.items():
        content["shapes"][name]["variants"] |= variants

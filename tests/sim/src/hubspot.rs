//! HubSpot CRM.

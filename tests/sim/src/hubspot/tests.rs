//! The quirks of HubSpot, one table or test each, in process on a manual clock.

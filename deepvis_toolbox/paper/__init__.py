"""The figures of Yosinski et al. 2015, made of any network: `python -m deepvis_toolbox.paper`."""

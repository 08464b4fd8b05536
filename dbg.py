import pytest,sys
sys.argv=['x']
from tests.python.unit import test_source_reader as t
